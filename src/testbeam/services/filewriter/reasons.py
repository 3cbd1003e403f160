"""Why a message is not in the file: the enumerated reasons under which drops are counted."""

OUTSIDE_WINDOW = "outside window"
SAME_TIME = "same time as the one before"
UNKNOWN_SCHEMA = "unknown schema"
FAILED_VERIFICATION = "failed verification"
NOT_IN_JOB = "source not in the job"
TIME_ZERO = "time 0"
WRONG_SHAPE = "array where the dataset has scalars, or of another length"
