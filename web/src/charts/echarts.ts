/** The chart library, with only the parts that are drawn. Loaded when the first such chart is. */

import { BarChart, LineChart } from "echarts/charts";
import { GridSimpleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridSimpleComponent, CanvasRenderer]);

export { init };
