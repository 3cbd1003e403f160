description = "sample stage"

modules = ["alignment"]

devices = dict(
    stage_x=device(
        "nicos_ess.devices.epics.pva.motor.EpicsMotor",
        description="across the beam",
        motorpv="TEST:SMOKE:MOTOR",
        precision=0.01,
    ),
    stage_y=device(
        "nicos.devices.generic.VirtualMotor",
        description="height",
        speed=10,
        abslimits=(0, 20),
        unit="mm",
    ),
    timer=device("nicos.devices.generic.VirtualTimer"),
    counts=device("nicos.devices.generic.VirtualCounter", type="counter", countrate=1000),
    det=device("nicos.devices.generic.Detector", timers=["timer"], counters=["counts"]),
    Exp=device("nicos_ess.devices.experiment.EssExperiment", dataroot="data"),
)

sysconfig = dict(experiment="Exp")

startupcode = "SetDetectors(det)"
