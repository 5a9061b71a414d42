/** The code that comes when it is asked for: the pages, and what is opened on one. */

export const pages = {
  customers: () => import("./customers/Customers").then(({ Customers }) => ({ default: Customers })),
  customer: () => import("./customer/Customer").then(({ Customer }) => ({ default: Customer })),
  journeys: () => import("./journeys/Journeys").then(({ Journeys }) => ({ default: Journeys })),
  data: () => import("./data/Data").then(({ Data }) => ({ default: Data })),
  record: () => import("./record/Record").then(({ RecordPage }) => ({ default: RecordPage })),
  quality: () => import("./quality/Quality").then(({ Quality }) => ({ default: Quality })),
};

export const properties = () => import("./customer/Properties");
