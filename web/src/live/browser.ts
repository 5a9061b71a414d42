/** Live channels in the browser. */

import { useEffect, useState, useSyncExternalStore } from "react";
import { expire } from "../api/session";
import { hear } from "../data/clock";
import { monotonic } from "../data/now";
import { Channel, type ChannelOptions, type Environment, type LiveState, type Socket } from "./channel";

const environment: Environment = {
  connect: (url) => new WebSocket(url) as unknown as Socket,
  now: monotonic,
  after(seconds, run) {
    const timer = setTimeout(run, seconds * 1000);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

function address(path: string): string {
  const { protocol, host } = window.location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/api/v1/stream${path}`;
}

export interface LiveSource<Data, Change, State> {
  begin: ChannelOptions<Data, Change, State>["begin"];
  reduce: ChannelOptions<Data, Change, State>["reduce"];
}

const nothing: LiveState<never> = {
  connection: { status: "connecting" },
  state: null,
  meta: null,
  metaAt: null,
  confirmedAt: null,
};

/** The state of one subscription, for as long as the component is there. `path` null: no subscription. */
export function useLive<Data, Change, State>(
  path: string | null,
  source: LiveSource<Data, Change, State>,
): LiveState<State> {
  const [channel, setChannel] = useState<Channel<Data, Change, State> | null>(null);

  useEffect(() => {
    if (path === null) return;
    const { begin, reduce } = source;
    const created = new Channel(
      { url: address(path), begin, reduce, onMeta: hear, onUnauthenticated: expire },
      environment,
    );
    setChannel(created);
    created.start();
    const wake = () => {
      if (!document.hidden) created.retryNow();
    };
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
    return () => {
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      created.stop();
      setChannel(null);
    };
  }, [path, source]);

  return useSyncExternalStore(
    channel?.subscribe ?? subscribeNothing,
    channel?.getSnapshot ?? (() => nothing as LiveState<State>),
  );
}

function subscribeNothing(): () => void {
  return () => undefined;
}
