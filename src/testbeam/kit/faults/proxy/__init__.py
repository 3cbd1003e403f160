"""The program that stands between a service and its clients and breaks their link as it is told."""
