"""Analytics: health scores, why they are what they are, and what customers look like."""

from mainstem.analytics.context import ScorerParts
from mainstem.analytics.health_models import HealthModels, activate_health_model
from mainstem.analytics.model import CHURNED, Band, Component, Curve, HealthModel, Kind, Missing
from mainstem.analytics.reader import builtin_health_model, check_health_model, read_health_model
from mainstem.analytics.retention import trim_history
from mainstem.analytics.scoring import Scorer
from mainstem.analytics.settings import AnalyticsSettings

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
    "trim_history",
]
