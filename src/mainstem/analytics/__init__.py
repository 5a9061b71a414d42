"""Analytics: health scores, why they are what they are, and what customers look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainstem.lazy import lazy_door

if TYPE_CHECKING:
    from mainstem.analytics.context import ScorerParts
    from mainstem.analytics.health_models import HealthModels, activate_health_model
    from mainstem.analytics.model import CHURNED, Band, Component, Curve, HealthModel, Kind, Missing
    from mainstem.analytics.reader import builtin_health_model, check_health_model, read_health_model
    from mainstem.analytics.restoring import restore_scores
    from mainstem.analytics.retention import trim_history
    from mainstem.analytics.scoring import Scorer
    from mainstem.analytics.settings import AnalyticsSettings
else:
    __getattr__ = lazy_door(
        __name__,
        {
            "context": "ScorerParts",
            "health_models": "HealthModels activate_health_model",
            "model": "CHURNED Band Component Curve HealthModel Kind Missing",
            "reader": "builtin_health_model check_health_model read_health_model",
            "restoring": "restore_scores",
            "retention": "trim_history",
            "scoring": "Scorer",
            "settings": "AnalyticsSettings",
        },
    )

__all__ = [
    "CHURNED",
    "AnalyticsSettings",
    "Band",
    "Component",
    "Curve",
    "HealthModel",
    "HealthModels",
    "Kind",
    "Missing",
    "Scorer",
    "ScorerParts",
    "activate_health_model",
    "builtin_health_model",
    "check_health_model",
    "read_health_model",
    "restore_scores",
    "trim_history",
]
