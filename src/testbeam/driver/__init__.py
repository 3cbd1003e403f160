"""The machine vocabulary of IOC tests: scripts written for NixOS' test driver, run on processes of this machine."""
