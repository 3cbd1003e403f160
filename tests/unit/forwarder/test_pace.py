from testbeam.services.forwarder.service import Pace


def test_the_more_updates_come_the_longer_they_gather() -> None:
    pace, waits = Pace(), []
    for step, per_round in enumerate((0, 1, 30, 1000, 1)):
        for n in range(50):
            pace.add(per_round, step + n * 0.01)
        waits.append(pace.wait_s())

    assert waits == [0.002, 0.002, 0.01, 0.02, 0.002]
