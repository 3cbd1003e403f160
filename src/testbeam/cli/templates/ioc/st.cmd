#!../../bin/linux-x86_64/@NAME@

< envPaths

## Register all support components
dbLoadDatabase("${TOP}/dbd/@NAME@.dbd")
@NAME@_registerRecordDeviceDriver(pdbbase)

epicsEnvSet("STREAM_PROTOCOL_PATH", "${TOP}/@NAME@App/Db")
drvAsynIPPortConfigure("PS1", "localhost:9999")

## Load record instances
dbLoadRecords("${TOP}/db/@NAME@.db", "PREFIX=@PREFIX@,PORT=PS1")

iocInit()
