description = "a motor, a shutter, a name, and a chat"
group = "optional"

includes = ["system"]
prefix = configdata("config.PV_PREFIX")

devices = dict(
    SmokeMotor=device(
        "nicos_ess.devices.epics.pva.motor.EpicsMotor",
        description="a motor record",
        motorpv=f"{prefix}MOTOR",
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
    SmokeCounter=device(
        "nicos_ess.devices.epics.detector.EpicsCounter",
        description="a counter behind EPICS",
        readpv=f"{prefix}COUNTER",
        startpv=f"{prefix}COUNTER.START",
        stoppv=f"{prefix}COUNTER.STOP",
    ),
    smoketimer=device("nicos.devices.generic.VirtualTimer", visibility=()),
    epicsdet=device("nicos.devices.generic.Detector", description="counts behind EPICS", timers=["smoketimer"], counters=["SmokeCounter"]),
    SciChat=device(
        "nicos_ess.devices.scichat.ScichatBot",
        description="the chat of the experiment",
        brokers=configdata("config.KAFKA_BROKERS"),
        scichat_topic=configdata("config.SCICHAT_TOPIC"),
    ),
)
