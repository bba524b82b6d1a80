// The upload form: what is wrong is said before anything is sent, and how far it is while it is. Without this script
// the form is sent as any other.
(() => {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const field = form.querySelector("[type=file]");
  const button = form.querySelector(".button.primary");
  const meter = form.querySelector("[data-upload-progress]");
  const bar = meter.querySelector("progress");
  const text = meter.querySelector("[data-upload-text]");
  const cancel = meter.querySelector("[data-upload-cancel]");
  const said = form.querySelector("[data-upload-said]");
  const problems = form.querySelector("[data-upload-problems]");
  const endings = form.dataset.endings.split(" ");
  const mostBytes = Number(form.dataset.mostBytes);
  const mostFiles = Number(form.dataset.mostFiles);
  // Boundaries, headers and the other fields.
  const BESIDE = 2000, BESIDE_A_FILE = 500;
  let sending = null;

  const size = (bytes) => {
    const units = ["bytes", "KB", "MB", "GB", "TB"];
    let unit = 0;
    for (; bytes >= 1024 && unit < units.length - 1; unit += 1) bytes /= 1024;
    return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
  };

  const faults = (files) => {
    const found = [];
    const seen = new Set();
    if (!files.length) found.push("Choose at least one file.");
    if (files.length > mostFiles) found.push(`These are ${files.length} files. Upload at most ${mostFiles} at once.`);
    for (const file of files) {
      const same = JSON.stringify([file.name, file.size, file.lastModified]);
      if (!endings.some((ending) => file.name.toLowerCase().endsWith(ending))) {
        found.push(`${file.name} is no ${endings.slice(0, -1).join(", ")} or ${endings.at(-1)} file.`);
      } else if (!file.size) found.push(`${file.name} is empty.`);
      else if (seen.has(same)) found.push(`${file.name} was chosen twice.`);
      seen.add(same);
    }
    const whole = files.reduce((sum, file) => sum + file.size + BESIDE_A_FILE, BESIDE);
    if (whole > mostBytes) {
      found.push(`These are ${size(whole)}, and at most ${form.dataset.most} can be sent at once. Upload fewer files, or compress them: .csv.gz is read too.`);
    }
    return found;
  };

  const tell = (reasons) => {
    problems.replaceChildren();
    if (!reasons.length) return;
    const notice = document.createElement("div");
    const what = document.createElement("strong");
    const list = document.createElement("ul");
    notice.className = "notice bad";
    list.className = "plain-list";
    what.textContent = "Nothing was uploaded.";
    for (const reason of reasons) list.append(Object.assign(document.createElement("li"), { textContent: reason }));
    notice.append(what, list);
    problems.append(notice);
  };

  const busy = (is) => {
    meter.hidden = !is;
    field.disabled = is;
    button.hidden = is;
    // While the meter is there it says the same to the eye.
    said.classList.toggle("visually-hidden", is);
  };

  const stop = (reasons, sentence = "") => {
    const hadFocus = meter.contains(document.activeElement);
    sending = null;
    busy(false);
    said.textContent = sentence;
    tell(reasons);
    if (hadFocus) button.focus();
  };

  const answered = (request) => {
    let answer = null;
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // A page, not an answer to a script: told by its status.
    }
    if (request.status === 201 && answer) {
      sending = null;
      said.textContent = "Uploaded.";
      location.assign(answer.next);
    } else if (answer && Array.isArray(answer.reasons)) stop(answer.reasons);
    else if (request.status === 413) stop([`This is more than ${form.dataset.most}, the most that can be sent at once.`]);
    else if (request.status === 403 || request.status === 200) {
      stop(["You are not logged in any more, or may not do this. Load this page again, then upload once more."]);
    } else stop([`The server could not take it (status ${request.status}). Try again in a moment.`]);
  };

  const send = (data) => {
    const request = new XMLHttpRequest();
    let told = 0;
    sending = request;
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable || !event.total) return;
      const percent = Math.floor((100 * event.loaded) / event.total);
      bar.value = percent;
      text.textContent = `${size(event.loaded)} of ${size(event.total)}, ${percent} %`;
      // Whoever listens hears it now and then.
      if (percent < 100 && percent >= told + 25) {
        told = percent - (percent % 25);
        said.textContent = `${told} % sent.`;
      }
    });
    request.upload.addEventListener("load", () => {
      said.textContent = "All is sent; the server is storing it.";
    });
    request.addEventListener("load", () => answered(request));
    request.addEventListener("error", () =>
      stop(["The connection broke, or a file was changed meanwhile. Nothing was kept: please try again."]),
    );
    request.addEventListener("abort", () => stop([], "Cancelled. Nothing was kept."));
    request.send(data);
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (sending) return;
    const reasons = faults([...field.files]);
    said.textContent = "";
    tell(reasons);
    if (reasons.length) return;
    // Before the field is disabled, which leaves it out.
    const data = new FormData(form);
    bar.value = 0;
    text.textContent = "";
    said.textContent = "Sending.";
    busy(true);
    cancel.focus();
    send(data);
  });

  cancel.addEventListener("click", () => sending && sending.abort());

  addEventListener("beforeunload", (event) => {
    if (sending) event.preventDefault();
  });

  // A page that comes back from the browser's cache sends nothing any more.
  addEventListener("pageshow", () => {
    if (!sending) busy(false);
  });
})();
