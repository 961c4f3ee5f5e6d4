// Before the first paint: light or dark as the system says, and the zone for the times of pages.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
  };
  apply();
  dark.addEventListener("change", apply);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.cookie = `tz=${zone};path=/;max-age=31536000;samesite=lax`;
})();
