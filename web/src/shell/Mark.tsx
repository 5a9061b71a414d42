/** The sign of Mainstem: tributaries that meet in one stream. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 24 24" fill="none" aria-hidden="true">
      <rect width="24" height="24" rx="6" />
      <path d="M12 20v-6c0-3-4.5-3.5-5.5-9M12 14c0-3 4.5-3.5 5.5-9M12 14V5" strokeWidth="2" strokeLinecap="round" />
    </svg>
  );
}
