/** Whether what is shown moves by itself. Said in words; read out only when it changes. */

import { useMetrics } from "../live/context";
import { Icon, type IconName } from "../ui/Icon";

export function ConnectionState() {
  const { connection } = useMetrics();
  const { icon, tone, text, title } = look(connection);
  return (
    <span className="connection" data-status={connection.status} data-tone={tone} role="status" title={title}>
      <Icon name={icon} size={12} />
      <span>{text}</span>
    </span>
  );
}

type Look = { icon: IconName; tone: string; text: string; title: string };

function look(connection: ReturnType<typeof useMetrics>["connection"]): Look {
  switch (connection.status) {
    case "live":
      return { icon: "dot", tone: "good", text: "Live", title: "Changes are shown as they take effect" };
    case "connecting":
      return { icon: "link", tone: "neutral", text: "Connecting…", title: "Opening the live connection" };
    case "reconnecting":
      return {
        icon: "link",
        tone: "warn",
        text: "Reconnecting…",
        title: `Attempt ${connection.attempt}: ${connection.reason}. What is shown may be old; see its age.`,
      };
    case "stopped":
      return {
        icon: "bad",
        tone: "bad",
        text: "Not live",
        title: connection.reason || "The live connection was refused",
      };
  }
}
