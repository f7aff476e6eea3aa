"""What holds for all tests: no timing decides, however busy the machine is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("sams", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sams")
