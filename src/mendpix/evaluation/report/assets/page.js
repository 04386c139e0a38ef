"use strict";
document.documentElement.classList.add("live");

for (const button of document.querySelectorAll("[data-switch]")) {
  button.addEventListener("click", () => {
    const hidden = document.body.classList.toggle("hide-" + button.dataset.switch);
    button.setAttribute("aria-pressed", String(!hidden));
  });
}

for (const card of document.querySelectorAll(".card:has(.viewer)")) {
  const stage = card.querySelector(".stage");
  const slider = stage.querySelector("input");
  const tiles = new Map();
  for (const button of card.querySelectorAll("[data-key]")) tiles.set(button.dataset.key, button);
  const selects = { left: null, right: null };

  const speak = () => {
    const [left, right] = ["left", "right"].map((side) => selects[side].selectedOptions[0].text);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${left}, the rest ${right}`);
  };
  const show = (side) => {
    const select = selects[side];
    const picture = tiles.get(select.value).querySelector("img");
    const image = stage.querySelector("img." + side);
    image.src = picture.src;
    image.alt = picture.alt;
    stage.querySelector(".which." + side).textContent = select.selectedOptions[0].text;
    if (side === "right") {
      for (const [key, button] of tiles) button.setAttribute("aria-pressed", String(key === select.value));
    }
    speak();
  };

  for (const side of ["left", "right"]) selects[side] = card.querySelector(`[data-side="${side}"]`);
  for (const side of ["left", "right"]) {
    selects[side].addEventListener("change", () => show(side));
  }
  speak();
  for (const [key, button] of tiles) {
    button.addEventListener("click", () => {
      selects.right.value = key;
      show("right");
    });
  }
  slider.addEventListener("input", () => {
    stage.style.setProperty("--cut", slider.value + "%");
    speak();
  });

  const near = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    near.disconnect();
    show("left");
    show("right");
  }, { rootMargin: "800px" });
  near.observe(card);
}
