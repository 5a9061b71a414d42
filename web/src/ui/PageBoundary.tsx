/** A page that broke, or whose code is gone because the server was upgraded, says so and leaves the rest standing. */

import { Component, type ReactNode } from "react";
import { Icon } from "./Icon";

export class PageBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="page">
        <div className="notice" data-tone="bad" role="alert">
          <Icon name="bad" size={22} />
          <strong>This page could not be shown</strong>
          <p>Mainstem may have been upgraded since the dashboard was opened. Nothing is lost.</p>
          <button type="button" className="button" onClick={() => window.location.reload()}>
            Load the dashboard anew
          </button>
        </div>
      </div>
    );
  }
}
