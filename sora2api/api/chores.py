"""What chat programs ask for by themselves, titles and tags: a short text is what they want, not a video.

Each is known by how its program's own instruction begins, so that no person's prompt about a title is taken for one.
"""

import re
from collections.abc import Sequence
from typing import Final

from sora2api.api.messages import Message

_TEXT: Final = "Made with sora2api"

_BEGINNINGS: Final = (
    # LibreChat
    "provide a concise, 5-word-or-less title for the conversation",
    "please generate a concise, 5-word-or-less title for the conversation",
    "write a concise title for this conversation",
    "analyze this conversation and provide:",
    # LobeChat
    "you are a professional conversation summarizer",
    "你是一名擅长会话的助理",
    # NextChat: a topic, and the memory that it keeps of a long conversation
    "please generate a four to five word title summarizing our conversation",
    "使用四到五个字直接返回这句话的简要主题",
    "summarize the discussion briefly in 200 words or less to use as a prompt",
    "summarize our discussion briefly in 200 words or less to use as a prompt",
    "简要总结一下对话内容，用作后续的上下文提示",
    # Cherry Studio
    "summarize the given session as a 10-word title",
    "you are an assistant skilled in conversation. you need to summarize",
    # Chatbox
    "based on the chat history, give this conversation a name",
    # Open WebUI: what it asks for in words; see below
    "create a concise, 3-5 word",
    "your task is to reflect the speaker's likely facial expression through a fitting emoji",
)

_TASK: Final = re.compile(r'### Task:.*?\bJSON\b.*?"(title|tags|follow_ups|queries|text|prompt)"\s*:', re.DOTALL)
"""Open WebUI's tasks, which name the key of the JSON that they want. Its question about documents names none."""

_ANSWERS: Final = {
    "title": f'{{"title": "{_TEXT}"}}',
    "tags": '{"tags": ["media"]}',
    "follow_ups": '{"follow_ups": []}',
    "queries": '{"queries": []}',
    "text": '{"text": ""}',
    "prompt": _TEXT,  # not JSON: it then takes the user's own words as the prompt
}


def chore(messages: Sequence[Message]) -> str | None:
    """The short answer to what a chat program asks, in its last message or its system message; None for a person's."""
    for message in (*messages[-1:], *(message for message in messages[:1] if message.role != "user")):
        text = message.text()
        task = _TASK.match(text)
        if task is not None:
            return _ANSWERS[task[1]]
        if text.lower().startswith(_BEGINNINGS):
            return _TEXT
    return None
