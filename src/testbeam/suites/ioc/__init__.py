"""Black-box tests of an IOC: a power supply over StreamDevice, metadata, limits, access security, restored values, links.

An IOC of one's own takes the place of ours by its command line; it loads `suite.cmd` of this folder: see docs/how-to/verify-an-ioc.md.
"""
