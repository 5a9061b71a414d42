/** While history is replayed every page says so, with the data's time running on. */

import { useDataNow, useReplay } from "../data/clock";
import * as time from "../format/time";
import { Icon } from "../ui/Icon";

export function ReplayBadge() {
  const replay = useReplay();
  const now = useDataNow();
  if (replay === null || now === null) return null;
  if (replay.finished) {
    return (
      <span
        className="replay"
        data-testid="replay"
        data-finished
        title={`Replayed from ${time.instant(replay.origin)} UTC. Data time is wall time now.`}
      >
        <Icon name="replay" size={14} />
        <span>
          replay of <strong>{replay.name}</strong> finished
        </span>
      </span>
    );
  }
  const at = new Date(now);
  return (
    <span
      className="replay"
      data-testid="replay"
      title={`Recorded data, replayed from ${time.instant(replay.origin)} UTC at ${time.speed(replay.speed)}`}
    >
      <Icon name="replay" size={14} />
      <span className="replay-words">
        <span>
          replaying <strong>{replay.name}</strong>
        </span>
        <span>
          data time <time dateTime={at.toISOString()}>{time.replayClock(at, replay.speed)}</time>
        </span>
        <span>{time.speed(replay.speed)}</span>
      </span>
    </span>
  );
}
