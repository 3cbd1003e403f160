description = "instrument, sample, experiment, files"
group = "lowlevel"

sysconfig = dict(
    cache=configdata("config.CACHE_HOST"),
    instrument="SMOKE",
    experiment="Exp",
    datasinks=["conssink", "daemonsink"],
)

modules = ["nicos.commands.standard", "nicos_ess.commands"]

devices = dict(
    SMOKE=device("nicos.devices.instrument.Instrument", description="the instrument", instrument="SMOKE", responsible="nobody@example.org"),
    Sample=device("nicos_ess.devices.sample.EssSample", description="the sample in the beam"),
    Exp=device(
        "nicos_ess.devices.experiment.EssExperiment",
        description="the experiment",
        dataroot=configdata("config.DATA_ROOT"),
        sample="Sample",
        cache_filepath=configdata("config.PROPOSAL_CACHE"),
    ),
    conssink=device("nicos_ess.devices.datasinks.console_scan_sink.ConsoleScanSink"),
    daemonsink=device("nicos.devices.datasinks.DaemonSink"),
    KafkaForwarder=device(
        "nicos_ess.devices.forwarder.EpicsKafkaForwarder",
        description="tells the forwarder what to forward",
        statustopic=configdata("config.FORWARDER_STATUS_TOPIC"),
        config_topic=configdata("config.FORWARDER_CONFIG_TOPIC"),
        brokers=configdata("config.KAFKA_BROKERS"),
    ),
    NexusStructure_Basic=device(
        "nicos_ess.devices.datasinks.nexus_structure.NexusStructureJsonFile",
        description="what a file consists of",
        nexus_config_path=configdata("config.NEXUS_TEMPLATE"),
        instrument_name="",
        visibility=(),
    ),
    NexusStructure=device(
        "nicos.devices.generic.DeviceAlias",
        alias="NexusStructure_Basic",
        devclass="nicos_ess.devices.datasinks.nexus_structure.NexusStructureJsonFile",
    ),
    FileWriterStatus=device(
        "nicos_ess.devices.datasinks.file_writer.FileWriterStatus",
        description="the file-writer's jobs",
        brokers=configdata("config.KAFKA_BROKERS"),
        statustopic=configdata("config.FILEWRITER_STATUS_TOPICS"),
        unit="",
    ),
    FileWriterControl=device(
        "nicos_ess.devices.datasinks.file_writer.FileWriterControlSink",
        description="starts and stops files",
        brokers=configdata("config.KAFKA_BROKERS"),
        pool_topic=configdata("config.FILEWRITER_POOL_TOPIC"),
        instrument_topic=configdata("config.FILEWRITER_INSTRUMENT_TOPIC"),
        status="FileWriterStatus",
        nexus="NexusStructure",
        use_instrument_directory=True,
    ),
)
