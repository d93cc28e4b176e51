// Before anything is drawn: the theme that was chosen last, else that of the system.
try {
  const chosen = localStorage.getItem("paretune-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  /* storage may be off: the system's theme it is */
}
