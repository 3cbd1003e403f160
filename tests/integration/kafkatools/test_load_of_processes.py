import os

from testbeam.kafkatools.load import LoadMeter


def test_a_process_that_is_gone_is_told_as_ended() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

    (load,) = LoadMeter({"gone": (pid,)}).loads(1.0)

    assert load.ended
    assert load.cpu_s == 0.0
