#!/usr/bin/env python3
"""The name server of a pod that knows one address: every name is 127.0.0.1."""
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(512)
    question = query[12 : query.index(0, 12) + 5]
    ipv4 = question.endswith(b"\0\1\0\1")  # type A, class IN
    # A response, recursion available; one question, perhaps one answer: its name is at byte 12.
    head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if ipv4 else b"\0\0") + b"\0\0\0\0"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if ipv4 else b""
    server.sendto(head + question + answer, client)
