"""Black-box suite of instrument control: any cache and daemon that speak NICOS, over the demo instrument's setups, pass it."""
