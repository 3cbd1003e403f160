"""The part of Channel Access that a small client needs, bytes to values and back: messages, requests, values.

Source: "Channel Access Protocol Specification" of EPICS, protocol version 4.13; caProto.h and db_access.h of EPICS base 7.
"""
