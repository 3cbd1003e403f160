description = "a motor, a shutter and a name"
group = "optional"

prefix = configdata("config.PV_PREFIX")

devices = dict(
    SmokeMotor=device(
        "nicos_ess.devices.epics.pva.motor.EpicsMotor",
        description="a motor record",
        motorpv=f"{prefix}MOTOR",
        has_errorbit=False,
        has_reseterror=False,
        has_powerauto=False,
        has_msgtxt=False,
        precision=0.01,
        unit="mm",
    ),
    SmokeShutter=device(
        "nicos_ess.devices.epics.pva.epics_devices.EpicsMappedMoveable",
        description="a shutter",
        readpv=f"{prefix}SHUTTER",
        writepv=f"{prefix}SHUTTER",
    ),
    SmokeName=device(
        "nicos_ess.devices.epics.pva.epics_devices.EpicsStringMoveable",
        description="a text",
        readpv=f"{prefix}NAME",
        writepv=f"{prefix}NAME",
    ),
)
