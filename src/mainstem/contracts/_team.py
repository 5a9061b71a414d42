"""Whose a stream is: the owners that the standard's `team` names."""

from __future__ import annotations

from open_data_contract_standard.model import OpenDataContractStandard, TeamMember

from mainstem.errors import ConfigurationError

__all__ = ["read_owners"]

_OWNER = "owner"
_MOST = 20
_LONGEST = 200


def read_owners(standard: OpenDataContractStandard, where: str) -> tuple[str, ...]:
    """Who is to be asked about the stream's records, in the file's order.

    They are the members whose role is owner (`Owner`, `data owner`) and who have not left (`dateOut`), by name or else
    username; the team's own name where there is none; nobody where there is no team. Raises ConfigurationError.
    """
    team = standard.team
    if team is None:
        return ()
    members, place = (team, "team") if isinstance(team, list) else (team.members or [], "team.members")
    owners = [name for one in members if _owns(one) and (name := _name(one.name) or _name(one.username))]
    if not owners and not isinstance(team, list) and (name := _name(team.name)):
        owners, place = [name], "team.name"
    owners = list(dict.fromkeys(owners))
    if len(owners) > _MOST or any(len(owner) > _LONGEST for owner in owners):
        raise ConfigurationError(
            "names too much as the owner.",
            where=f"{where}: {place}",
            hint=f"{_MOST} owners at most, each of {_LONGEST} characters.",
        )
    return tuple(owners)


def _owns(member: TeamMember) -> bool:
    return (member.role or "").strip().lower().split(" ")[-1] == _OWNER and not member.dateOut


def _name(given: str | None) -> str | None:
    return (given or "").strip() or None
