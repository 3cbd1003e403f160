"""Commands of site support that start-up files call and that no test depends on: accepted, noted, and not done.

Source: docs/reference/contracts/ioc.md, "Start-up files".
"""

ACCEPTED = {
    "asynSetTraceMask": "tracing of asyn; what went over a port is in the transcript",
    "asynSetTraceIOMask": "tracing of asyn; what went over a port is in the transcript",
    "asynSetTraceFile": "tracing of asyn; what went over a port is in the transcript",
    "asynSetTraceInfoMask": "tracing of asyn; what went over a port is in the transcript",
    "asynSetTraceIOTruncateSize": "tracing of asyn; what went over a port is in the transcript",
    "asynReport": "report of asyn",
    "asynInterposeEosConfig": "terminators are kept by every port",
    "asynInterposeEcho": "ports do not wait for an echo",
    "asynInterposeDelay": "ports do not write slowly",
    "asynInterposeFlushConfig": "every port throws unread input away before it writes",
    "asynSetMinTimerPeriod": "timers have no such limit",
    "asynSetQueueLockPortTimeout": "a port has no such limit",
    "asynOctetConnect": "a port needs no connection of its own for the shell",
    "asynSetAutoConnectTimeout": "a port waits 0.5 s for its device",
    "asynWaitConnect": "records wait by themselves",
    "caPutLogInit": "the log of puts goes to a server that a test does not have",
    "caPutLogReconf": "the log of puts goes to a server that a test does not have",
    "caPutJsonLogInit": "the log of puts goes to a server that a test does not have",
    "caPutLogShow": "the log of puts goes to a server that a test does not have",
    "asSubInit": "a detail of access security",
    "iocLogInit": "the log goes to the console",
    "iocLogPrefix": "the log goes to the console",
    "logClientCreate": "the log goes to the console",
    "iocshCmdLoop": "loops over commands are not done",
    "dbLoadRecordsLoop": "loops over databases are not done",
    "save_restoreSet_Debug": "a detail of autosave",
    "save_restoreSet_IncompleteSetsOk": "a detail of autosave",
    "save_restoreSet_DatedBackupFiles": "a detail of autosave",
    "save_restoreSet_NumSeqFiles": "a detail of autosave",
    "save_restoreSet_SeqPeriodInSeconds": "a detail of autosave",
    "save_restoreSet_RetrySeconds": "a detail of autosave",
    "save_restoreSet_CAReconnect": "a detail of autosave",
    "save_restoreSet_CallbackTimeout": "a detail of autosave",
    "save_restoreSet_FilePermissions": "a detail of autosave",
    "save_restoreSet_NFSHost": "a detail of autosave",
    "save_restoreSet_UseStatusPVs": "a detail of autosave",
    "save_restoreSet_status_prefix": "a detail of autosave",
    "makeAutosaveFileFromDbInfo": "a detail of autosave",
    "makeAutosaveFiles": "a detail of autosave",
    "autosaveBuild": "a detail of autosave",
    "create_manual_set": "values are saved by create_monitor_set",
    "create_triggered_set": "values are saved by create_monitor_set",
    "create_periodic_set": "values are saved by create_monitor_set",
    "dbior": "report of device support",
    "dlload": "shared libraries of a site are not loaded",
    "system": "programs are not started",
}

UNSUPPORTED = {
    "seq": "state notation programs are C code: start the compiled IOC by its command",
    "drvAsynVXI11Configure": "VXI-11 ports are not supported: start the compiled IOC by its command",
    "vxi11Configure": "VXI-11 ports are not supported: start the compiled IOC by its command",
    "usbtmcConfigure": "USB ports are not supported: start the compiled IOC by its command",
    "drvAsynUSBTMCConfigure": "USB ports are not supported: start the compiled IOC by its command",
    "drvAsynIPServerPortConfigure": "ports that listen are not supported",
    "modbusInterposeConfig": "Modbus is not supported: start the compiled IOC by its command",
    "drvModbusAsynConfigure": "Modbus is not supported: start the compiled IOC by its command",
    "drvPrologixGPIBConfigure": "GPIB ports are not supported",
    "FINSTCPInit": "FINS is not supported: start the compiled IOC by its command",
    "s7plcConfigure": "s7plc is not supported: start the compiled IOC by its command",
}

CREATES_PORT = ("drvAsynIPPortConfigure", "drvAsynSerialPortConfigure")
REGISTER_SUFFIX = "registerRecordDeviceDriver"


def why_not(name: str) -> str:
    """Return why a command is not done, or the empty string where nothing is known about it."""
    if name in UNSUPPORTED:
        return UNSUPPORTED[name]
    if name.endswith(("CreateController", "CreateAxis", "Config", "Configure", "Setup")):
        return "it makes a driver of C code that is not part of this IOC: start the compiled IOC by its command"
    return ACCEPTED.get(name, "")
