"""Messages of PV Access by which a server is found."""
