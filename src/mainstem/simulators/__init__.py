"""The upstream systems, simulated, and the world they describe."""

from mainstem.simulators.oulad import OULAD_STREAMS, OuladData, Slice

__all__ = ["OULAD_STREAMS", "OuladData", "Slice"]
