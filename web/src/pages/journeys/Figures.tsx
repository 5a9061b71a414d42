/** A few figures under each other, each with what it is and what it rests on. */

export function Figures({ entries }: { entries: readonly (readonly [name: string, value: string, note: string])[] }) {
  return (
    <dl className="journey-figures">
      {entries.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value}</strong> <small>{note}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}
