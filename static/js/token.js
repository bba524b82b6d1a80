// A token that was just made: copied by a button, and not made once more when the page is loaded again.
(() => {
  history.replaceState(null, "", location.href);
  const said = document.querySelector("[data-copied]");

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.firstChild;
    button.hidden = false;
    button.addEventListener("click", async () => {
      let isCopied = true;
      try {
        await navigator.clipboard.writeText(source.textContent);
      } catch {
        // Without https there is no such clipboard: what is selected can still be copied.
        select(source);
        isCopied = document.execCommand("copy");
      }
      label.textContent = isCopied ? "Copied" : "Press Ctrl-C";
      said.textContent = isCopied ? "Copied." : "It is selected: press Ctrl-C.";
      setTimeout(() => {
        label.textContent = "Copy";
      }, 3000);
    });
  }
})();
