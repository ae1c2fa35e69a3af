"""What risk control does at this server, for samples."""

from __future__ import annotations

from server.ops.samples.sample import RiskFigures
from server.services.risk.assembly import RiskServices


def risk_figures(risk: RiskServices) -> RiskFigures | None:
    """None: its mode is off."""
    engine = risk.engine
    if engine is None:
        return None
    held = {} if risk.held is None else dict(risk.held.held)
    age_s = round(engine.round_age_s, 1)
    return RiskFigures(risk.mode, engine.book.version, dict(engine.decided), held, engine.rule_errors, age_s)
