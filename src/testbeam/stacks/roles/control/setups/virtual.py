description = "devices with nothing behind them"
group = "optional"

devices = dict(
    VirtualX=device("nicos.devices.generic.VirtualMotor", description="a motor", speed=10, abslimits=(-100, 100), unit="mm"),
    VirtualY=device("nicos.devices.generic.VirtualMotor", description="a motor", speed=10, abslimits=(-100, 100), unit="mm"),
    Place=device(
        "nicos.devices.generic.Switcher",
        description="named places of VirtualY",
        moveable="VirtualY",
        mapping={"in": 0.0, "out": 5.0},
        precision=0.01,
    ),
    Mode=device("nicos.devices.generic.ManualSwitch", description="set by hand", states=["low", "high"]),
)
