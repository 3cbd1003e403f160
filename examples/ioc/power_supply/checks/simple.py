start_all()

with subtest("check services"):
    machine.wait_for_unit("ioc.service")
    machine.wait_for_unit("simulator.service")
    machine.wait_for_unit("default.target")

    machine.wait_for_open_port(9999)

# Prefer using 'wait_until_succeeds',
# since the 'ioc.service' being active doesn't necessarily means
# that the IOC is initialized
machine.wait_until_succeeds("caget VOLT-RB", timeout=10)
machine.fail("caget unknown-PV")

with subtest("check voltage"):
    # Initial value is zero
    machine.succeed("caget -t VOLT-RB | grep -qxF '0'")

    machine.succeed("caput VOLT 42")

    def check_value(_last_call: bool) -> bool:
        """Check whether the VOLT-RB PV is 42."""
        value = float(machine.succeed("caget -t VOLT-RB"))
        return value == 42.

    retry(check_value, timeout=10)
