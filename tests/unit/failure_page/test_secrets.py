from testbeam.report.failure.gather import without_secrets


def test_a_page_shows_a_configuration_without_its_passwords() -> None:
    text = "brokers=k:9092\nsasl.username=me\nsasl.password = p=1\noutput-broker-sasl-password=q\nssl.key.pem=-----BEGIN\n"

    assert without_secrets(text) == "brokers=k:9092\nsasl.username=me\nsasl.password=…\noutput-broker-sasl-password=…\nssl.key.pem=…\n"
