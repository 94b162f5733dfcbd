"""A job's events in words, for those who watch it in a chat."""

from sora2api.modes import (
    Accepted,
    Ended,
    Event,
    Note,
    Output,
    Progress,
    Started,
    StepDone,
    TaskRetried,
    TaskSubmitted,
    Waiting,
    WayChosen,
)


def telling(event: Event) -> str | None:
    """One line that says what happened; None for what is told otherwise."""
    match event:
        case Accepted():
            return "The job is accepted.\n"
        case Started(mode=mode):
            return f"Started in the mode {mode}.\n"
        case Waiting(reason=reason):
            return f"{reason}\n"
        case WayChosen(way=way, reason=reason):
            return f"The way is {way}: {reason}.\n"
        case TaskSubmitted(step=step, account=account):
            return f"{account} makes {step}.\n"
        case TaskRetried(step=step, account=account, message=message):
            return f"{account} did not take {step} ({message}) Trying again.\n"
        case Progress(percent=percent):
            return f"{percent} %\n"
        case Note(text=text):
            return f"{text}\n"
        case StepDone() | Output() | Ended():
            return None
