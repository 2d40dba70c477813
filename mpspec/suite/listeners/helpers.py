"""What several modules of the chapter listeners use."""

import os
import socket

KEY = b"secret password"


def socket_of(connection):
    """The socket that a connection uses, under another descriptor."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def talk(client, accepted):
    """Let each end of a connection say something; gives what the other received."""
    client.send("from the client")
    accepted.send("from the listener")
    return accepted.recv(), client.recv()


HEARD = ("from the client", "from the listener")
