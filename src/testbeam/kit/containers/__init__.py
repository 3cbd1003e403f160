"""How a service runs in a container of Docker or Podman: command lines alone, no library of either."""
