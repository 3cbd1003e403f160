description = "nothing but the commands: what genuine NICOS begins with"
group = "lowlevel"

modules = ["nicos.commands.standard"]
