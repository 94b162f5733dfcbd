"""Notes what Python processes with this folder on their path connect, bind, send or look up, a line of JSON each."""

import json
import os
import socket
import sys

_EVENTS = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostby")
_NOTES = os.open(os.environ["AUDIT_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(event: str, arguments: tuple) -> None:
    if not event.startswith(_EVENTS):
        return
    if isinstance(arguments[0], socket.socket):
        if arguments[0].family == socket.AF_UNIX:
            return  # between processes of this machine
        where = arguments[1]
    else:
        where = arguments
    os.write(_NOTES, json.dumps([event, list(map(str, where or ()))]).encode() + b"\n")


sys.addaudithook(_note)
