"use strict";
(() => {
  const box = document.getElementById("tooltip");
  let shown = null;
  const hide = () => { box.hidden = true; shown = null; };
  const show = (mark) => {
    shown = mark;
    box.textContent = mark.getAttribute("aria-label");
    box.hidden = false;
    const at = mark.getBoundingClientRect();
    const wide = box.offsetWidth, high = box.offsetHeight;
    const room = document.documentElement.clientWidth;
    const left = Math.min(Math.max(at.left + at.width / 2 - wide / 2, 8), room - wide - 8);
    const above = at.top - high - 8;
    box.style.left = `${left + scrollX}px`;
    box.style.top = `${(above < 4 ? at.bottom + 8 : above) + scrollY}px`;
  };
  for (const svg of document.querySelectorAll("svg")) {
    const marks = [...svg.querySelectorAll(".tip")];
    for (const mark of marks) {
      const title = mark.querySelector("title");  // Native titles serve pages without scripts.
      mark.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    const move = (from, to) => {
      const target = marks[Math.min(Math.max(to, 0), marks.length - 1)];
      marks[from].tabIndex = -1;
      target.tabIndex = 0;
      target.focus();
    };
    svg.addEventListener("keydown", (event) => {
      const from = marks.indexOf(document.activeElement);
      if (from < 0) return;
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      const ends = { Home: 0, End: marks.length - 1 };
      if (event.key in steps) move(from, from + steps[event.key]);
      else if (event.key in ends) move(from, ends[event.key]);
      else return;
      event.preventDefault();
    });
    svg.addEventListener("pointerover", (event) => {
      const mark = event.target.closest(".tip");
      if (mark) show(mark);
    });
    svg.addEventListener("pointerout", hide);
    svg.addEventListener("focusin", (event) => show(event.target));
    svg.addEventListener("focusout", hide);
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape" && shown) hide(); });
})();
