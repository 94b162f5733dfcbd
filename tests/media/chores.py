"""What the tests of the workshop have its workers do."""

import os
import signal
import sys
import time


def pid_after(seconds):
    time.sleep(seconds)
    return os.getpid()


def add(first, *, second):
    return first + second


def fail(error):
    raise error


def die_once(mark):
    if mark.exists():
        return "alive"
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def loaded():
    return sorted(sys.modules)
