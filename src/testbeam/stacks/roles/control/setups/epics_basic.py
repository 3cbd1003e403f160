description = "a value that stands, and one that goes where it is sent"
group = "lowlevel"

prefix = configdata("config.PV_PREFIX")

devices = dict(
    SmokeBasicReadable=device(
        "nicos_ess.devices.epics.pva.epics_devices.EpicsReadable",
        description="a readback",
        readpv=f"{prefix}READ.RBV",
        monitor=True,
        pva=True,
    ),
    SmokeBasicMoveable=device(
        "nicos_ess.devices.epics.pva.epics_devices.EpicsAnalogMoveable",
        description="a set point that takes its time",
        readpv=f"{prefix}MOVE.RBV",
        writepv=f"{prefix}MOVE.VAL",
        monitor=True,
        pva=True,
        unit="Hz",
        precision=0.01,
        nexus_config=[
            dict(
                group_name="moveable",
                nx_class="NXpositioner",
                dataset_type="nx_log",
                units="Hz",
                suffix="value",
                source_name=f"{prefix}MOVE.RBV",
                schema="f144",
                topic=configdata("config.FORWARDER_DATA_TOPIC"),
                protocol="pva",
                periodic=1,
            )
        ],
    ),
)
