"""Roles `fake_monitors`, `fake_detectors` and `fake_logdata`: what stands for an instrument's hardware."""

from testbeam.stacks.roles.fakes import declaration
from testbeam.stacks.roles.role import Role

FAKE_MONITORS = Role(name="fake_monitors", declare=declaration.fake_monitors, topics={"monitor_topic": "beam_monitor"})
FAKE_DETECTORS = Role(name="fake_detectors", declare=declaration.fake_detectors, topics={"detector_topic": "detector"})
FAKE_LOGDATA = Role(name="fake_logdata", declare=declaration.fake_logdata, topics={"motion_topic": "motion"})
