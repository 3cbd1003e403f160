"""Services in containers of Docker or Podman: command lines alone, no library of either."""
