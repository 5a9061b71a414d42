import { useStore } from "../data/store";
import { type Choice, chooseTheme, theme } from "../theme";
import { Icon, type IconName } from "../ui/Icon";

const NEXT: Record<Choice, { choice: Choice; icon: IconName; label: string }> = {
  system: { choice: "light", icon: "system", label: "Colours: as the system. Switch to light" },
  light: { choice: "dark", icon: "sun", label: "Colours: light. Switch to dark" },
  dark: { choice: "system", icon: "moon", label: "Colours: dark. Switch to the system's" },
};

export function ThemeSwitch() {
  const { choice, icon, label } = NEXT[useStore(theme)];
  return (
    <button type="button" className="icon-button" onClick={() => chooseTheme(choice)} aria-label={label} title={label}>
      <Icon name={icon} />
    </button>
  );
}
