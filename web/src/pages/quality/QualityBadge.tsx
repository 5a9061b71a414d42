import type { QualityGrade } from "../../api/quality";
import { qualityLook } from "../../model/quality";
import { Icon } from "../../ui/Icon";

/** Quality in a word, with an icon: never by colour alone. */
export function QualityBadge({ grade }: { grade: QualityGrade }) {
  const look = qualityLook(grade);
  return (
    <span className="badge" data-tone={look.tone} title={look.help}>
      <Icon name={look.tone} size={13} />
      {look.label}
    </span>
  );
}
