"""Whose a stream is: the owners that the standard's `team` names."""

from __future__ import annotations

from open_data_contract_standard.model import OpenDataContractStandard, TeamMember

__all__ = ["read_owners"]

_OWNER = "owner"
# They are shown only: a text that names more is read all the same.
_MOST = 20
_LONGEST = 200


def read_owners(standard: OpenDataContractStandard) -> tuple[str, ...]:
    """Who is to be asked about the stream's records, in the file's order; 20 at most, each of 200 characters at most.

    They are the members whose role is owner (`Owner`, `data owner`) and who have not left (`dateOut`), by name or else
    username; the team's own name where there is none; nobody where there is no team.
    """
    team = standard.team
    if team is None:
        return ()
    members = team if isinstance(team, list) else team.members or []
    owners = [name for one in members if _owns(one) and (name := _name(one.name) or _name(one.username))]
    if not owners and not isinstance(team, list) and (name := _name(team.name)):
        owners = [name]
    return tuple(dict.fromkeys(owners))[:_MOST]


def _owns(member: TeamMember) -> bool:
    return (member.role or "").strip().lower().split(" ")[-1] == _OWNER and not member.dateOut


def _name(given: str | None) -> str | None:
    return (given or "").strip()[:_LONGEST] or None
