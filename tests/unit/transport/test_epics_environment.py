from testbeam.transport.epics_environment import client_environment, repeater_port, server_environment


def test_a_server_is_told_its_address_for_both_protocols_and_nothing_automatic() -> None:
    environment = server_environment("127.0.5.3")

    assert environment["EPICS_CAS_INTF_ADDR_LIST"] == environment["EPICS_PVAS_INTF_ADDR_LIST"] == "127.0.5.3"
    assert environment["EPICS_CAS_AUTO_BEACON_ADDR_LIST"] == environment["EPICS_PVAS_AUTO_BEACON_ADDR_LIST"] == "NO"
    assert (environment["EPICS_CAS_SERVER_PORT"], environment["EPICS_PVAS_SERVER_PORT"]) == ("5064", "5075")


def test_a_client_asks_each_server_by_ca_unicast_and_as_a_pva_name_server_and_nobody_else() -> None:
    environment = client_environment(["127.0.5.3", "127.0.5.4", "127.0.5.3"])

    assert environment["EPICS_CA_ADDR_LIST"] == "127.0.5.3 127.0.5.4"
    assert environment["EPICS_PVA_NAME_SERVERS"] == "127.0.5.3:5075 127.0.5.4:5075"
    assert environment["EPICS_CA_AUTO_ADDR_LIST"] == environment["EPICS_PVA_AUTO_ADDR_LIST"] == "NO"


def test_clients_of_other_servers_use_another_repeater_below_the_ports_that_the_kernel_gives_away() -> None:
    ports = [repeater_port([f"127.0.5.{last}"]) for last in range(1, 9)]

    assert len(set(ports)) == len(ports)
    assert all(12_000 <= port < 28_000 for port in ports)
