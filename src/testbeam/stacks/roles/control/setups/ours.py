description = "what only testbeam has: a counter behind EPICS, scans as files of text, and a chat"
group = "optional"

prefix = configdata("config.PV_PREFIX")

sysconfig = dict(datasinks=["asciisink"])

devices = dict(
    asciisink=device("nicos.devices.datasinks.AsciiScanfileSink"),
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
